// guarantee: a loop that catches all there is to catch is a timeout
// expect: timeout
import java.util.*;

class Solution {
    public int next(int n) {
        while (true) {
            try {
                next(n);
            } catch (Throwable all) {
                continue;
            }
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
