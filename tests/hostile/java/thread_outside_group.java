// guarantee: threads of any group must end, as with java itself
// expect: timeout
import java.util.*;

class Solution {
    static {
        ThreadGroup root = Thread.currentThread().getThreadGroup();
        while (root.getParent() != null) {
            root = root.getParent();
        }
        new Thread(root, () -> {
            long count = 0;
            while (count >= 0) {
                count++;
            }
        }).start();
    }

    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return Arrays.asList(1, 2, 3);
    }
}
