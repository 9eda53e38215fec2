// guarantee: a sample cannot put its own class in place of one that the test names
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

class Arrays {
    static List<Boolean> asList(Object... values) {
        return new ArrayList<>();
    }
}
