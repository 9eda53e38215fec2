// guarantee: a sample cannot hide the class that guards returned values
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

class astraios$sandbox {
    static class Guard {
        static boolean plain(int value) {
            return true;
        }

        static <T> T plain(T value) {
            return value;
        }
    }
}
