// guarantee: no class loader of the sample's JVM holds the test
// expect: failed
import java.lang.reflect.*;
import java.util.*;

class Solution {
    static boolean finds(ClassLoader loader) {
        for (; loader != null; loader = loader.getParent()) {
            try {
                Field field = loader.getClass().getDeclaredField("classes");
                field.setAccessible(true);
                if (((Map<?, ?>) field.get(loader)).get("Main") != null) {
                    return true;
                }
            } catch (ReflectiveOperationException | RuntimeException none) {
                continue;
            }
        }
        return false;
    }

    public int next(int n) {
        return finds(Solution.class.getClassLoader()) || finds(ClassLoader.getSystemClassLoader()) ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return Arrays.asList(1, 2, 3);
    }
}
