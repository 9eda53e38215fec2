// guarantee: elements that another thread replaces after the return are not compared
// expect: failed
import java.util.*;

class Solution {
    static final class Liar {
        public boolean equals(Object other) {
            return true;
        }
    }

    static volatile ArrayList<Object> target;

    static {
        Thread thread = new Thread(() -> {
            Liar liar = new Liar();
            while (true) {
                ArrayList<Object> list = target;
                for (int i = 0; list != null && i < list.size(); i++) {
                    list.set(i, liar);
                }
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        ArrayList<Object> list = new ArrayList<>(Arrays.asList(0, 0, 0));
        target = list;
        return (List<Integer>) (List) list;
    }
}
