// guarantee: an endless recursion is an ordinary error
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        return next(n + 1) + 1;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
