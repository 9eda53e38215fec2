// guarantee: an element that equals everything equals no plain data
// expect: failed
import java.util.*;

class Solution {
    static class Liar {
        @Override
        public boolean equals(Object other) {
            return true;
        }

        @Override
        public int hashCode() {
            return 0;
        }
    }
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        List list = new ArrayList();
        for (int i = 0; i < n; i++) {
            list.add(new Liar());
        }
        return list;
    }
}
