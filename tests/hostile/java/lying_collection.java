// guarantee: a collection of the sample that says it equals everything is equal to itself alone
// expect: failed or error
import java.util.*;

class Solution {
    static class Liar extends AbstractList<Integer> {
        public Integer get(int index) {
            return 7;
        }

        public int size() {
            return 3;
        }

        public boolean equals(Object other) {
            return true;
        }

        public int hashCode() {
            return Arrays.asList(1, 2, 3).hashCode();
        }
    }

    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return new Liar();
    }
}
