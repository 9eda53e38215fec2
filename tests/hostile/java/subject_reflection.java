// guarantee: nothing that decides can be changed by reflection
// expect: error
import java.lang.reflect.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try {
            Class<?> runner = Class.forName("astraios$sandbox.Subject", true, ClassLoader.getSystemClassLoader());
            for (Field field : runner.getDeclaredFields()) {
                field.setAccessible(true);
                if (field.getType() == int.class && !Modifier.isFinal(field.getModifiers())) {
                    field.setInt(null, 0);
                }
            }
            for (Method method : runner.getDeclaredMethods()) {
                method.setAccessible(true);
                if (method.getName().equals("serve")) {
                    method.invoke(null, new Object[1]);
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
