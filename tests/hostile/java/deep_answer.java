// guarantee: an answer nested without end is an error, and the judge lives on
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        List<Object> list = new ArrayList<>();
        for (int i = 0; i < 100_000; i++) {
            list = new ArrayList<>(Arrays.asList(list));
        }
        return (List<Integer>) (List) list;
    }
}
