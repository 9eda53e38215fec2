// guarantee: reflection does not reach into the JDK
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        try {
            java.lang.reflect.Field value = Integer.class.getDeclaredField("value");
            value.setAccessible(true);
            for (int i = -128; i < 128; i++) {
                value.setInt(i, 42);
            }
            return 42;
        } catch (ReflectiveOperationException error) {
            return 0;
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
