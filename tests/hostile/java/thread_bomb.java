// guarantee: threads are limited
// expect: error or timeout
import java.util.*;

class Solution {
    public int next(int n) {
        while (true) {
            new Thread(() -> {
                while (true) {
                    try {
                        Thread.sleep(1000);
                    } catch (InterruptedException error) {
                        continue;
                    }
                }
            }).start();
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
