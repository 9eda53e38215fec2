// guarantee: a program whose threads do not end is a timeout, as with java itself
// expect: timeout
import java.util.*;

class Solution {
    static {
        new Thread(() -> {
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
        List<Integer> result = new ArrayList<>();
        for (int i = 1; i <= n; i++) {
            result.add(i);
        }
        return result;
    }
}
