// guarantee: neither the home directory nor the accounts of the machine can be read
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        for (String name : new String[] {"/etc/passwd", "/etc/hostname", "/proc/version"}) {
            try {
                return java.nio.file.Files.readAllBytes(java.nio.file.Path.of(name)).length > 0;
            } catch (java.io.IOException | RuntimeException error) {
                continue;
            }
        }
        for (String name : new String[] {"/root", "/home", "/var/log", "/proc/self"}) {
            String[] entries = new java.io.File(name).list();
            if (entries != null && entries.length > 0) {
                return true;
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
