// guarantee: stopping the judging thread gives no verdict
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread != Thread.currentThread()) {
                thread.interrupt();
            }
        }
        Runtime.getRuntime().halt(0);
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
