// guarantee: a shutdown hook cannot turn a wrong answer into a pass
// expect: failed
import java.util.*;

class Solution {
    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(0)));
    }
    public int next(int n) {
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
