// guarantee: the environment of the scorer is not passed on
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        Set<String> names = new HashSet<>(System.getenv().keySet());
        names.removeAll(Arrays.asList("LANG", "LC_ALL", "LD_LIBRARY_PATH"));
        return !names.isEmpty();
    }

    private final boolean broken = attack();
    public int next(int n) {
        return broken ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return broken ? new ArrayList<>(Arrays.asList(1, 2, 3)) : new ArrayList<>();
    }
}
