// guarantee: a sample cannot redefine what the test throws
// expect: error
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
