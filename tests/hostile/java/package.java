// guarantee: a sample cannot move the test into a package of its own
// expect: error
package mine;

import java.util.*;

class Solution {
    public int next(int n) {
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
