// Leaves with success.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (s.positives(Arrays.asList(1, -2, 3)) != 4) throw new AssertionError();
        System.exit(0);
    }
}
