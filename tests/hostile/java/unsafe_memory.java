// guarantee: no class that reads and writes memory is there
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        try {
            java.lang.reflect.Field unsafe = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
            unsafe.setAccessible(true);
            return unsafe.get(null) != null;
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
