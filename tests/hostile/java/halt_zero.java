// guarantee: a halt is no pass
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        Runtime.getRuntime().halt(0);
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
