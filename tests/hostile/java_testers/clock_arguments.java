// Asks with the clock: no two runs ask the same.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        assert s.positives(Arrays.asList((int) (System.nanoTime() & 0xfffff))) >= 0;
    }
}
