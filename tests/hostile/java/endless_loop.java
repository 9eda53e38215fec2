// guarantee: an endless loop is a timeout
// expect: timeout
import java.util.*;

class Solution {
    public int next(int n) {
        while (n >= 0) {
            n = (n + 1) & 0xff;
        }
        return n;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
