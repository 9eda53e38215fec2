// guarantee: a list whose elements differ from one look to the next is looked at once
// expect: failed
import java.util.*;

class Solution {
    static class Changing extends ArrayList<Integer> {
        int looks = 0;

        public Object[] toArray() {
            return looks++ == 0 ? new Object[] {0, 0, 0} : new Object[] {1, 2, 3};
        }

        public Iterator<Integer> iterator() {
            return Arrays.asList(1, 2, 3).iterator();
        }
    }

    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return new Changing();
    }
}
