// guarantee: the class of the test is nowhere in the sample's JVM
// expect: failed
import java.util.*;

class Solution {
    static boolean found() {
        for (Map.Entry<Thread, StackTraceElement[]> each : Thread.getAllStackTraces().entrySet()) {
            for (StackTraceElement frame : each.getValue()) {
                if (frame.getClassName().equals("Main")) {
                    return true;
                }
            }
            try {
                Class.forName("Main", false, each.getKey().getContextClassLoader());
                return true;
            } catch (ClassNotFoundException absent) {
                continue;
            }
        }
        return false;
    }

    public int next(int n) {
        return found() ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return Arrays.asList(1, 2, 3);
    }
}
