// guarantee: a dynamic proxy that equals everything is compared by its elements
// expect: error
import java.lang.reflect.*;
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return (List<Integer>) Proxy.newProxyInstance(Solution.class.getClassLoader(), new Class<?>[] {List.class},
                (proxy, method, arguments) -> method.getName().equals("equals") ? (Object) true : null);
    }
}
