// guarantee: classes of the sample named as the sandbox's own do not reach the stubs
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

class astraios$sandbox {
    static class Remote {
        static Object call(Object target, String member, Object... arguments) {
            return true;
        }
    }
}
