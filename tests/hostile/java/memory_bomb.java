// guarantee: memory is limited
// expect: error or timeout
import java.util.*;

class Solution {
    public int next(int n) {
        List<long[]> hoard = new ArrayList<>();
        while (true) {
            hoard.add(new long[1 << 20]);
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
