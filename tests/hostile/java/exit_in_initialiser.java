// guarantee: an exit while classes load is no pass
// expect: error
import java.util.*;

class Solution {
    static {
        System.exit(0);
    }
    public int next(int n) {
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
