// guarantee: a class with a finalizer does not share a JVM, and its finalizer gives no verdict
// expect: failed or error
import java.util.*;

class Solution {
    @Override
    protected void finalize() {
        Runtime.getRuntime().halt(0);
    }
    public int next(int n) {
        for (int i = 0; i < 1000; i++) {
            new Solution();
        }
        System.gc();
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
