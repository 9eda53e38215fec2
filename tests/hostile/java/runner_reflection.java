// guarantee: the judging class holds nothing that reflection could change
// expect: failed
import java.lang.reflect.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try {
            Class<?> runner = Class.forName("astraios$sandbox.Runner", true, ClassLoader.getSystemClassLoader());
            for (Field field : runner.getDeclaredFields()) {
                field.setAccessible(true);
                if (field.getType() == int.class && !Modifier.isFinal(field.getModifiers())) {
                    field.setInt(null, 0);
                }
            }
            for (Method method : runner.getDeclaredMethods()) {
                method.setAccessible(true);
                if (method.getName().equals("judge")) {
                    method.invoke(null, new IllegalStateException());
                }
            }
        } catch (ReflectiveOperationException error) {
            return 1;
        }
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
