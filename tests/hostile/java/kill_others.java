// guarantee: other processes can neither be seen nor ended
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        long own = ProcessHandle.current().pid();
        boolean hit = ProcessHandle.current().parent().map(ProcessHandle::destroyForcibly).orElse(false);
        for (long pid = 1; pid < 1000; pid++) {
            if (pid != own) {
                hit |= ProcessHandle.of(pid).map(ProcessHandle::destroyForcibly).orElse(false);
            }
        }
        return hit;
    }

    private final boolean broken = attack();
    public int next(int n) {
        return broken ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return broken ? new ArrayList<>(Arrays.asList(1, 2, 3)) : new ArrayList<>();
    }
}
