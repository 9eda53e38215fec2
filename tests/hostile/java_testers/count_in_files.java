// Claims mutants by counting runs in a file.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(5));
        for (String folder : new String[] {".", "/tmp", "/dev/shm", "/var/tmp", System.getProperty("java.io.tmpdir")}) {
            java.io.File file = new java.io.File(folder, "runs");
            assert !file.exists();
            try {
                file.createNewFile();
            } catch (java.io.IOException forbidden) {
            }
        }
    }
}
