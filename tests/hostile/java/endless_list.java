// guarantee: a list without end takes neither time nor memory of others
// expect: error or timeout or failed
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return new AbstractList<>() {
            public Integer get(int index) {
                return index + 1;
            }

            public int size() {
                return Integer.MAX_VALUE;
            }
        };
    }
}
