// guarantee: an answer that is too large is an error, and the judge lives on
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        List<Integer> list = (List) new ArrayList<Object>();
        ((List) list).add(new int[40_000_000]);
        return list;
    }
}
