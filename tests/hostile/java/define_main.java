// guarantee: a class of the test cannot be replaced while it runs
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        try {
            byte[] code = Solution.class.getResourceAsStream("Solution.class").readAllBytes();
            return java.lang.invoke.MethodHandles.lookup().defineClass(code) != Solution.class;
        } catch (Exception | LinkageError error) {
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
