// guarantee: a proxy that the boot loader made is no object of the JDK
// expect: error or failed
import java.lang.reflect.*;
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return (List<Integer>) Proxy.newProxyInstance(null, new Class<?>[] {List.class},
                (proxy, method, arguments) -> method.getName().equals("equals") ? (Object) true : null);
    }
}
