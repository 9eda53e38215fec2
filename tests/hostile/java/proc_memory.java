// guarantee: a program cannot reach its own memory through /proc
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        for (String name : new String[] {"/proc/self/mem", "/proc/self/maps", "/proc/1/environ", "/proc/self/fd/0"}) {
            try (java.io.RandomAccessFile file = new java.io.RandomAccessFile(name, "r")) {
                return file.read() >= -1;
            } catch (java.io.IOException error) {
                continue;
            }
        }
        return false;
    }

    private final boolean broken = attack();
    public int next(int n) {
        return broken ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return broken ? new ArrayList<>(Arrays.asList(1, 2, 3)) : new ArrayList<>();
    }
}
