// guarantee: no native library can be brought in
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        for (String directory : new String[] {"/tmp", "/dev/shm", "/var/tmp", "."}) {
            try {
                java.nio.file.Path library = java.nio.file.Path.of(directory, "libevil.so");
                java.nio.file.Files.copy(java.nio.file.Path.of(System.getProperty("java.home"), "lib", "libzip.so"), library);
                System.load(library.toAbsolutePath().toString());
                return true;
            } catch (java.io.IOException | RuntimeException | LinkageError error) {
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
