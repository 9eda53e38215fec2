// guarantee: a sample cannot redefine the types of the test
// expect: error
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
