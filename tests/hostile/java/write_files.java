// guarantee: there is nowhere to write
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        for (String directory : new String[] {"/tmp", "/dev/shm", "/var/tmp", "/", ".", "/proc/self", "/home", "/root"}) {
            try {
                java.nio.file.Files.writeString(java.nio.file.Path.of(directory, "astraios-hostile-java"), "here");
                return true;
            } catch (java.io.IOException | RuntimeException error) {
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
