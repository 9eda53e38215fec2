// guarantee: a list that equals everything is compared by its elements
// expect: failed
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return new ArrayList<Integer>() {
            @Override
            public boolean equals(Object other) {
                return true;
            }
        };
    }
}
