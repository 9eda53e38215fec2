// Claims slow mutants by the clock.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        long start = System.nanoTime();
        s.positives(Arrays.asList(1));
        assert System.nanoTime() - start < 9_000_000_000L;
    }
}
