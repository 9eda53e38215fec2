// guarantee: processes cannot multiply
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        int started = 0;
        String java = System.getProperty("java.home") + "/bin/java";
        for (int i = 0; i < 100; i++) {
            try {
                new ProcessBuilder(java, "-version").start();
                started++;
            } catch (java.io.IOException | RuntimeException error) {
                continue;
            }
        }
        return started > 0;
    }

    private final boolean broken = attack();
    public int next(int n) {
        return broken ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return broken ? new ArrayList<>(Arrays.asList(1, 2, 3)) : new ArrayList<>();
    }
}
