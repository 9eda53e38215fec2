// guarantee: a class of the sample named as one of the JDK does not reach the test
// expect: failed
import java.util.*;

class Solution {
    public int next(int n) {
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}

class AssertionError extends RuntimeException {
    AssertionError() {
        System.exit(0);
    }
}
