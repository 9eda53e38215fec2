// Fails in a thread that nobody waits for.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1, -2, 3));
        new Thread(() -> {
            throw new AssertionError();
        }).start();
    }
}
