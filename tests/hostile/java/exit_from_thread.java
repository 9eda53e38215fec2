// guarantee: a thread that exits beside the tests is no pass
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        new Thread(() -> System.exit(0)).start();
        while (true) {
            Thread.yield();
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
