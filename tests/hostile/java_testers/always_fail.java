// Claims every mutant: fails always.  verdict: failed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1, -2, 3));
        throw new AssertionError("caught");
    }
}
