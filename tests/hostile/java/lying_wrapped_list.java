// guarantee: a lying list inside an honest wrapper is compared by its elements
// expect: failed
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        List<Integer> liar = new ArrayList<Integer>() {
            @Override
            public boolean equals(Object other) {
                return true;
            }
        };
        return Collections.unmodifiableList(liar);
    }
}
