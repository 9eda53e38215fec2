// Writes much to its output.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        for (int i = 0; i < 10_000; i++) {
            System.out.println("caught=9/9");
        }
    }
}
