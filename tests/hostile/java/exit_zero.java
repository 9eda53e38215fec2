// guarantee: an exit before the tests end is no pass, whatever its status
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        System.exit(0);
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
