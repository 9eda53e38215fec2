// guarantee: no agent can be attached
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        try {
            Class<?> machine = Class.forName("com.sun.tools.attach.VirtualMachine");
            long own = ProcessHandle.current().pid();
            return machine.getMethod("attach", String.class).invoke(null, Long.toString(own)) != null;
        } catch (ReflectiveOperationException | RuntimeException error) {
            return false;
        }
    }

    private final boolean broken = attack();
    public int next(int n) {
        return broken ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return broken ? new ArrayList<>(Arrays.asList(1, 2, 3)) : new ArrayList<>();
    }
}
