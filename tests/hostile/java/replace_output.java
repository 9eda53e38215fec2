// guarantee: replaced standard streams and a handler for everything uncaught change no verdict
// expect: failed
import java.util.*;

class Solution {
    static {
        System.setOut(null);
        System.setErr(null);
        System.setIn(null);
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> Runtime.getRuntime().halt(0));
        Thread.currentThread().setUncaughtExceptionHandler((thread, error) -> Runtime.getRuntime().halt(0));
    }
    public int next(int n) {
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
