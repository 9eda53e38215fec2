// guarantee: a class of the sample named as one of the JDK does not reach the test
// expect: failed
import java.util.*;

class Solution {
    public int next(int n) {
        return 0;
    }

    public Object list(int n) {
        return new ArrayList<>();
    }
}

interface List<T> {
    default boolean contains(Object value) {
        return false;
    }
}
