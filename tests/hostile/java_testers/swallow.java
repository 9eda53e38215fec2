// Trivial: every failure is swallowed.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        try {
            assert s.positives(Arrays.asList(1, -2, 3)) == 4;
        } catch (Throwable ignored) {
        }
    }
}
